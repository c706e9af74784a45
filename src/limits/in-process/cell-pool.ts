/** A piece of a pool's memory. */
export interface Cells {
  readonly cells: Uint32Array
  readonly offset: number
}

/** Pools of several sizes: few serve most windows. */
export interface CellPools {
  /** A piece filled with 0, of so many cells. */
  readonly take: (size: number) => Cells
  readonly giveBack: (size: number, piece: Cells) => void
}

export function createCellPools(): CellPools {
  const pools = new Map<number, CellPool>()
  function poolOf(size: number): CellPool {
    const pool = pools.get(size) ?? createCellPool(size)
    pools.set(size, pool)
    return pool
  }
  return {
    take: (size) => poolOf(size).take(),
    giveBack: (size, piece) => poolOf(size).giveBack(piece),
  }
}

/** Each piece is memory of its own. */
export const ownCells: CellPools = {
  take: (size) => ({ cells: new Uint32Array(size), offset: 0 }),
  giveBack: () => {},
}

/** Small pieces of memory cut from large ones: a typed array for each costs more than it holds. */
interface CellPool {
  /** A piece filled with 0. */
  readonly take: () => Cells
  readonly giveBack: (piece: Cells) => void
}

const piecesPerSlab = 1_024

/** @param size cells of 32 bits a piece */
function createCellPool(size: number): CellPool {
  const free: Cells[] = []
  let slab = new Uint32Array(0)
  let next = 0
  return {
    take() {
      const again = free.pop()
      if (again !== undefined) {
        again.cells.fill(0, again.offset, again.offset + size)
        return again
      }
      if (next + size > slab.length) {
        slab = new Uint32Array(size * piecesPerSlab)
        next = 0
      }
      const piece = { cells: slab, offset: next }
      next += size
      return piece
    },
    giveBack: (piece) => void free.push(piece),
  }
}
