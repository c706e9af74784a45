import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { onTestFinished } from 'vitest'

/** Mounts a disk of 1 MiB on a folder for one test. False where that is not allowed. */
export function mountSmallDisk(folder: string): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    return false
  }
  onTestFinished(() => {
    execFileSync('umount', ['--lazy', folder])
  })
  return true
}

/** Fills the disk of a file. */
export function fillDisk(file: string): void {
  try {
    writeFileSync(file, Buffer.alloc(4_000_000))
  } catch {
    // That it fails is the point: nothing is left.
  }
}
