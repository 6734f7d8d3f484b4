"""Orders in which windows are asked for; a strategy knows neither prompts nor engines."""
