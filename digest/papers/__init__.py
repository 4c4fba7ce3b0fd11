"""What comes in: papers and their votes, from the sources, ranked."""
