"""What will be sold: forecasts by item and store area, and whether the stock lasts."""
