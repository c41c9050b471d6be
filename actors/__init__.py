"""actors: long-lived processes that own a device, and the dispatcher that leases work to them."""
