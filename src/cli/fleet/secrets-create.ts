import { type Command, Option } from 'commander'
import { secretSettings } from '../../config/secret-settings.ts'
import { drawPepper } from '../../secrets/peppers.ts'
import { drawSigningKeyLine } from '../../secrets/signing-key.ts'
import { addExamples } from '../keys/key-options.ts'
import { print, printJson } from '../terminal/output.ts'

interface SecretsOptions {
  readonly format: 'env' | 'kubernetes'
  readonly json?: true
}

export function defineSecretsCreate(command: Command): void {
  command
    .addOption(
      new Option('--format <form>', 'How they are printed').choices(['env', 'kubernetes']).default('env'),
    )
    .option('--json', 'Print JSON, errors too')
    .addHelpText(
      'after',
      '\nDraws a pepper and a signing key for a fleet, and prints them. Nothing else knows them: store them where every node gets\n' +
        'them and the database does not, and keep a copy. Without the pepper no key works.',
    )
    .action(async ({ format, json }: SecretsOptions) => {
      const secrets = {
        [secretSettings.pepper.variable]: drawPepper(1),
        [secretSettings.signingKey.variable]: drawSigningKeyLine(),
      }
      if (json === true) await printJson(secrets)
      else await print(format === 'env' ? formatEnvironment(secrets) : formatKubernetes(secrets))
    })
  addExamples(
    command,
    'secrets create > fleet.env',
    'secrets create --format kubernetes | kubectl apply -f -',
  )
}

function formatEnvironment(secrets: Readonly<Record<string, string>>): string {
  return Object.entries(secrets)
    .map(([name, text]) => `${name}=${text}\n`)
    .join('')
}

/** Base64url needs no quotes in YAML; a pepper has a colon, which JSON's quotes keep. */
function formatKubernetes(secrets: Readonly<Record<string, string>>): string {
  const lines = Object.entries(secrets).map(([name, text]) => `  ${name}: ${JSON.stringify(text)}\n`)
  return [
    'apiVersion: v1\n',
    'kind: Secret\n',
    'metadata:\n  name: modelward\n',
    'type: Opaque\n',
    'stringData:\n',
    ...lines,
  ].join('')
}
