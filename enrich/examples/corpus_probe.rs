use event::*; use enrich::identity::*; use std::time::Instant; use std::collections::BTreeMap;
fn main(){
  let file=std::env::args().nth(1).unwrap(); let text=std::fs::read_to_string(file).unwrap();
  let show=std::env::args().nth(2).is_some();
  let lines:Vec<&str>=text.lines().collect();
  let config=IdentityConfig{mail_domains:vec!["example.com".into()],..Default::default()};
  let mut graph=IdentityGraph::new(1_000_000); let mut batches=vec![]; let mut rej=0;
  let mut n=normalize::Normalizer::new();
  for chunk in lines.chunks(8192){
    let mut b=RawBatchBuilder::with_capacity(0);
    for (i,l) in (0..).zip(chunk){ b.push(RawRecord{bytes:l.as_bytes(),number:i,reject:None}); }
    let raw=b.finish(SourceId::new("t"),None,"t".into(),0);
    let o=n.map(&raw,0); rej+=o.rejects.len(); batches.push(o.events);
  }
  let rows:usize=batches.iter().map(|b|b.len()).sum();
  println!("rows {rows} rejects {rej}");
  for b in &batches { for l in links(b,0..b.len(),&config){ graph.add(&l);} }
  let mut by:BTreeMap<&str,usize>=BTreeMap::new();
  for l in graph.links(){ *by.entry(l.kind().as_str()).or_default()+=1; }
  println!("{by:?}");
  if show {
    let mut comps:BTreeMap<Node,Vec<Node>>=BTreeMap::new();
    for (a,c) in graph.nodes(){ comps.entry(c.clone()).or_default().push(a.clone()); }
    for (c,mut m) in comps { m.sort(); println!("== {c}"); for x in m.iter().filter(|x|**x!=c){println!("     {x}");} }
    for l in graph.links().filter(|l| !l.kind().joins()){ println!("-- {} {} {}",l.a(),l.kind(),l.b()); }
  }
  let mut best=[f64::MAX;4];
  for _ in 0..20{
    let t=Instant::now(); let mut k=0; for b in &batches { k+=links(b,0..b.len(),&IdentityConfig::default()).len(); } best[0]=best[0].min(t.elapsed().as_secs_f64());
    let t=Instant::now(); for b in &batches { for r in 0..b.len(){ if actor(b,r).is_some(){k+=1} } } best[1]=best[1].min(t.elapsed().as_secs_f64());
    let t=Instant::now(); for b in &batches { k+=Actors::of(b).distinct().len(); } best[2]=best[2].min(t.elapsed().as_secs_f64());
    let t=Instant::now(); for b in &batches { k+=links(b,0..b.len(),&config).len(); } best[3]=best[3].min(t.elapsed().as_secs_f64());
    std::hint::black_box(k);
  }
  println!("ns/event: links {:.0} actor {:.0} Actors {:.0} links+mail {:.0}",best[0]*1e9/rows as f64,best[1]*1e9/rows as f64,best[2]*1e9/rows as f64,best[3]*1e9/rows as f64);
}
