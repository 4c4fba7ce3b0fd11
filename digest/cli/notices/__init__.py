"""The commands notice …"""
