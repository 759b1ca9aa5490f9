"""What a deploy costs, measured beside what the same steps cost without Fairlead."""
