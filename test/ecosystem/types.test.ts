import { compilers } from '../package/compilers.ts'
import { installProject } from '../package/install-project.ts'
import { compilerPackages, describeConsumers, frameworks } from '../package/type-consumers.ts'
import { proves } from './support.ts'

/** Compilers with resolutions that no plain `npm test` tries. */
const others = compilers.filter(({ resolutions, always }) => always.length < resolutions.length)

describeConsumers(
  installProject({ withServer: false, beside: { ...frameworks, ...compilerPackages(others) } }),
  others,
  {
    nodenext: proves('Types under `node16` and `nodenext`'),
    node16: proves('Types under `node16` and `nodenext`'),
    bundler: proves('Types under `bundler`'),
    node10: proves('Types under `node10`'),
  },
  ({ resolutions, always }) => resolutions.filter((resolution) => !always.includes(resolution)),
)
