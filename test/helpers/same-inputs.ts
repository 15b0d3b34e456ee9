// Generated inputs are the same in every run, so that a red check speaks of the change. DOE_TEST_SEED=new takes new ones,
// and a number those that a failure named.
import fc from 'fast-check';

const { DOE_TEST_SEED: seed = '20260101' } = process.env;
if (seed !== 'new') fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(seed) });
