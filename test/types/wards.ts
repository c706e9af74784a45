import { apiKeyHeader, bearer, createTestWard } from 'modelward'

/** Wards by whether a caller is known behind their guards: always, perhaps, by either scheme. */
export const ward = await createTestWard()
export const optionalWard = await createTestWard({ scheme: bearer({ autoError: false }) })
export const mixedWard = await createTestWard({
  scheme: [apiKeyHeader({ name: 'X-API-Key' }), bearer({ autoError: false })],
})
