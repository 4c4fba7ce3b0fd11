"""What `digest doctor` looks at: examine.py is the whole list, sending.py what decides whether mail goes out."""
