"""What is remembered. Rows never leave this room: plain values do."""
