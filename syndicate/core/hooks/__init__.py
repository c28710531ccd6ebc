"""What providers tell by webhook: whether a call is genuine, and what it says of whom. Pure: no network, no clock."""
