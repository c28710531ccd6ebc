"""What comes back after sending: delivery reports, complaints, automatic answers, letters of mail servers. Pure."""
