"""Forecasts of sales by item and store area, judged by what a simulated world sold afterwards."""
