import { SetupError } from '../core/setup-error.ts'
import type { JobService } from '../jobs/job-service.ts'
import type { WebhookService } from '../jobs/webhook-service.ts'
import { type CommonOptions, loadCommandConfig } from './common-options.ts'
import { withKeys } from './open-keys.ts'

