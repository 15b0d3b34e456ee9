// Whatever a schema that can hold itself is given here comes out of JSON, where no object holds itself. What zod keeps in readiness
// for those that do, maps of each value that is parsed, takes nearly a tenth of a trivial MCP call, most of it to collect them.
// A schema takes the setting that it is made under: this module comes before all that make one.
import { config } from 'zod/v4/core';

config({ memoizer: { attach() {}, guard() {}, alloc: (_schema, _payload, empty) => empty } });
