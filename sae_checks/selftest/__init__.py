"""The gate under test: which planted faults do these limits and this budget catch?"""
