"""{{title}}. Its procedure is directives/{{name}}.md."""
import doe

doe.validate()
name = doe.payload()['name']

doe.progress(50, f'working on {name}')
print(f'Nothing is done with {name} yet: write the work here.')
doe.result({'done': name})
