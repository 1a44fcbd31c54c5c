"""One sentence through one trained model, every step of it on a page to look at."""
