"""What serves those who work on Plaza: embedded servers, `plaza up`, demo data and `plaza dev`.

In production only its command line is imported.
"""
