"""WebSub: tells hubs of changed feeds (announcing, pinging), and is a hub (accepting, verifying, distributing)."""
