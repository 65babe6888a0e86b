"""The mechanisms that every context is built from. No domain noun lives here.

`result`, `errors`, `actor`, `clock`, `ids`, `money`, `states` and `correlation` are pure: they import neither Litestar nor SQLAlchemy.
"""
