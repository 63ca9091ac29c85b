"""What an endpoint reads of a received message: the facts of its way here and the forms it is posted in.

Pure: facts and content go in, octets come out. `facts` are the nouns; `content` is what parsing found;
`cloudmailin` writes that vendor's documented JSON, multipart and raw forms, `own` writes ours;
`signing` adds the Standard Webhooks headers, `form` is multipart/form-data (RFC 7578).
"""
