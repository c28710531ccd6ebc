"""From what a source holds to what readers get: cleaning, normalising and naming an article. All pure."""
