"""The ledger of deliveries."""
