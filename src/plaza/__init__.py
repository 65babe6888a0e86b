"""Plaza: one asynchronous backend for products where people meet, talk, pay and trade."""

__version__ = "0.1.0"
