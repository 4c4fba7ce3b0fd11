"""The command once."""
