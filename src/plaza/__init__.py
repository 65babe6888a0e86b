"""Plaza: one asynchronous backend for products where people meet, talk, pay and trade."""
