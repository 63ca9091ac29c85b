"""Mails written once and sent often: templates of a workspace, drafted, published in versions, rendered with data.

What it guarantees: a template is published only if it renders with its own sample data, every version that was ever
published is kept as it was and can be made current again, and what is sent is a published version, never a draft.
A template reaches its data and its workspace's own layout, nothing else: rendering is a port, and whoever implements
it answers for memory, time and reach. What it makes is judged again here before anything leaves: a subject is one line.

Verbs: create, change and remove (all audited), publish and roll_back, find, page, version, versions; gather brings
together what a rendering needs, render has it done and judges what came out.
"""
