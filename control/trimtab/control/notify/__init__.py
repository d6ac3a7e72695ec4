"""Notifications: what becomes of releases, told to other systems over HTTP.

`feed` reads decisions from a checkpoint, `notice` says which of them are worth telling, `payload` in whose words,
`courier` brings them. Each target has a checkpoint of its own, so that one that is away holds up nobody else.
"""
