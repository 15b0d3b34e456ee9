// {{title}}. Its procedure is directives/{{name}}.md.
import { payload, progress, result, validate } from './doe.mjs';

await validate();
const { name } = payload();

progress(50, `working on ${name}`);
console.log(`Nothing is done with ${name} yet: write the work here.`);
result({ done: name });
