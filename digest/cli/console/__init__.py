"""The commands console …"""
