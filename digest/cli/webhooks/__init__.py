"""The commands webhooks …"""
