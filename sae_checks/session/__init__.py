"""A run of the suite, from options to a result; knows neither pytest nor how to print."""
