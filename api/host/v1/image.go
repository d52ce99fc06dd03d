package hostv1

// ImageErrorDomain is the domain of the google.rpc.ErrorInfo in the status of a Pull that failed for the image's or its
// registry's reasons. A status without it says that something happened to the host.
const ImageErrorDomain = "image.pacific.internal"
