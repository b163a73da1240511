"""Calls to the gateway, each made once: what is signed is stored before anybody sees it."""
