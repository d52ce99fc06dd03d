package hostv1

// Errors of starts that a resource pool refuses have an errdetails.ErrorInfo of this domain and reason. Its metadata are pool, and in
// bytes: wanted, limit (this host's part), limitAllHosts where that is known, reserved, used.
const (
	PoolErrorDomain        = "pools.pacific.internal"
	ReasonPoolMemoryLimit  = "POOL_MEMORY_LIMIT"
	PoolErrorPool          = "pool"
	PoolErrorWanted        = "wanted"
	PoolErrorLimit         = "limit"
	PoolErrorLimitAllHosts = "limitAllHosts"
	PoolErrorReserved      = "reserved"
	PoolErrorUsed          = "used"
)
