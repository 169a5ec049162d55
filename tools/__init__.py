"""Commands of the house: demo, test, checks, reports."""
