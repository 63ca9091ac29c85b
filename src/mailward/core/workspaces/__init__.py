"""Workspaces (the tenants), their settings, and the keys that keep their content apart.

What it guarantees: a transaction belongs to one workspace, and the unscoped door
(`system`) has a short list of users; each workspace and day has a data key of its own,
wrapped by a key service, and destroying it makes that content unreadable everywhere.
Verbs: create, rename, change settings and terms of retention, seal and open with data
keys, destroy those of days that are over, re-wrap them.
"""
