/** How many features a text has. */
export const featureCount = 1_024

/** The word counts of a text, hashed to the features (FNV-1a) and scaled to length 1. */
export function featuresOf(text: string): Float32Array {
  const features = new Float32Array(featureCount)
  for (const word of text.toLowerCase().match(/\p{L}+/gu) ?? []) {
    const index = hashOf(word) % featureCount
    features[index] = (features[index] ?? 0) + 1
  }
  const length = Math.hypot(...features)
  return length === 0 ? features : features.map((count) => count / length)
}

function hashOf(word: string): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(word)) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}
