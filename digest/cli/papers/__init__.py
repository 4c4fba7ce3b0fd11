"""The commands papers …"""
