"""What the store keeps of days gone by: records as compressed columns, and what hours and days amount to."""
