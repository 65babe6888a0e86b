"""The published language: per context one file with its event structs and the id types that others share. No behaviour."""
