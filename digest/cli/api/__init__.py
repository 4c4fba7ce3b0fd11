"""The commands api-tokens …"""
