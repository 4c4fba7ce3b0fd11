"""The commands bounce and bounces …"""
