export default { serverExternalPackages: ['modelward'] }
