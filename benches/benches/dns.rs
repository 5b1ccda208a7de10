//! Wall clock of DNS messages read and written, by divan.

#[cfg(feature = "dns-peers")]
use benches::dns::{Domain, Hickory, Protocol, Simple};
use benches::dns::{LABELS, Library, Ours, Walk, chain, message};
use divan::Bencher;

fn main() {
    divan::main();
}

#[cfg_attr(feature = "dns-peers", divan::bench(types = [Ours, Domain, Protocol], args = LABELS))]
#[cfg_attr(not(feature = "dns-peers"), divan::bench(types = [Ours], args = LABELS))]
fn walk<W: Walk>(bencher: Bencher<'_, '_>, label: &str) {
    let octets = message(label);
    bencher.bench_local(|| W::walk(&octets));
}

#[cfg_attr(feature = "dns-peers", divan::bench(types = [Ours, Domain, Hickory, Simple], args = LABELS))]
#[cfg_attr(not(feature = "dns-peers"), divan::bench(types = [Ours], args = LABELS))]
fn typed<L: Library>(bencher: Bencher<'_, '_>, label: &str) {
    let octets = message(label);
    bencher.bench_local(|| L::typed(&octets));
}

#[cfg_attr(feature = "dns-peers", divan::bench(types = [Ours, Domain, Hickory, Simple], args = LABELS))]
#[cfg_attr(not(feature = "dns-peers"), divan::bench(types = [Ours], args = LABELS))]
fn names<L: Library>(bencher: Bencher<'_, '_>, label: &str) {
    let octets = message(label);
    bencher.bench_local(|| L::names(&octets));
}

#[cfg_attr(feature = "dns-peers", divan::bench(types = [Ours, Domain, Hickory, Simple], args = LABELS))]
#[cfg_attr(not(feature = "dns-peers"), divan::bench(types = [Ours], args = LABELS))]
fn build<L: Library>(bencher: Bencher<'_, '_>, label: &str) {
    let draft = L::draft(&message(label));
    let mut buffer = Vec::with_capacity(4096);
    bencher.bench_local(|| L::build(&draft, &mut buffer));
}

#[cfg_attr(feature = "dns-peers", divan::bench(types = [Ours, Domain, Hickory, Simple]))]
#[cfg_attr(not(feature = "dns-peers"), divan::bench(types = [Ours]))]
fn pointer_chains<L: Library>(bencher: Bencher<'_, '_>) {
    let octets = chain();
    bencher.bench_local(|| L::typed(&octets));
}
