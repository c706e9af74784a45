import { describeParity } from './describe-parity.ts'
import { startServerTarget } from './start-server-target.ts'

describeParity('the server', startServerTarget)
