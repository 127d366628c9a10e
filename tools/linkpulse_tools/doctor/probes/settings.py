print(json.dumps({name: getattr(s, name) for name in FACTS}))
