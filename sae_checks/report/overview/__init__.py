"""What every report of a run is made of: its verdict, its matrix, its failures by cause.

Made of a run's result alone, as data and plain words; how it looks is for the medium to say.
"""
