"""Tells the operator of each problem once, and when it is over."""
